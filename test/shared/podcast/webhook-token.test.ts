import { describe, expect, test } from 'vitest'

import { isPlausibleToken, newWebhookToken } from '../../../shared/podcast/webhook-token.ts'

const EPISODE = '0123456789abcdef01234567'

describe('the token of a webhook', () => {
  test('is good while the secret that signed it is the newest or the one before, and no longer', () => {
    const before = newWebhookToken(['first'], EPISODE)
    expect(isPlausibleToken(['first'], EPISODE, before)).toBe(true)
    expect(isPlausibleToken(['second', 'first'], EPISODE, before)).toBe(true)
    const after = newWebhookToken(['second', 'first'], EPISODE)
    expect(isPlausibleToken(['second', 'first'], EPISODE, after)).toBe(true)
    expect(isPlausibleToken(['first'], EPISODE, after)).toBe(false)
    expect(isPlausibleToken(['third', 'second'], EPISODE, before)).toBe(false)
  })

  test('is of one episode, and cannot be made up', () => {
    const token = newWebhookToken(['secret'], EPISODE)
    expect(isPlausibleToken(['secret'], 'f'.repeat(24), token)).toBe(false)
    for (const forged of [
      '',
      '.',
      token.split('.')[0] ?? '',
      `${token}x`,
      `x${token}`,
      newWebhookToken(['other'], EPISODE),
    ])
      expect(isPlausibleToken(['secret'], EPISODE, forged)).toBe(false)
  })

  test('is random alone where there is no secret to sign with', () => {
    const [one, other] = [newWebhookToken([], EPISODE), newWebhookToken([], EPISODE)]
    expect(one).not.toBe(other)
    expect(isPlausibleToken([], EPISODE, one)).toBe(true)
  })
})
