import { describe, expect, test } from 'vitest'

import { mayBeOurs, newHookToken } from '../../../shared/podcast/webhook-token.ts'

const EPISODE = '0123456789abcdef01234567'

describe('the token of a webhook', () => {
  test('is good while the secret that signed it is the newest or the one before, and no longer', () => {
    const before = newHookToken(['first'], EPISODE)
    expect(mayBeOurs(['first'], EPISODE, before)).toBe(true)
    expect(mayBeOurs(['second', 'first'], EPISODE, before)).toBe(true)
    const after = newHookToken(['second', 'first'], EPISODE)
    expect(mayBeOurs(['second', 'first'], EPISODE, after)).toBe(true)
    expect(mayBeOurs(['first'], EPISODE, after)).toBe(false)
    expect(mayBeOurs(['third', 'second'], EPISODE, before)).toBe(false)
  })

  test('is of one episode, and cannot be made up', () => {
    const token = newHookToken(['secret'], EPISODE)
    expect(mayBeOurs(['secret'], 'f'.repeat(24), token)).toBe(false)
    for (const forged of [
      '',
      '.',
      token.split('.')[0] ?? '',
      `${token}x`,
      `x${token}`,
      newHookToken(['other'], EPISODE),
    ])
      expect(mayBeOurs(['secret'], EPISODE, forged)).toBe(false)
  })

  test('is random alone where there is no secret to sign with', () => {
    const [one, other] = [newHookToken([], EPISODE), newHookToken([], EPISODE)]
    expect(one).not.toBe(other)
    expect(mayBeOurs([], EPISODE, one)).toBe(true)
  })
})
