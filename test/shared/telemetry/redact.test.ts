import { describe, expect, test } from 'vitest'

import { keepSecret, redact } from '../../../shared/telemetry/redact.ts'

describe('what opens a door is hidden', () => {
  test.each([
    ['eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.sig-_nature', '[hidden]'],
    ['Authorization: Bearer abc.def/ghi+jkl=', 'Authorization: [hidden]'],
    ['https://x/y?episodeId=1&token=s3cret&z=1', 'https://x/y?episodeId=1&token=[hidden]&z=1'],
    [
      '?X-Goog-Signature=00ff&X-Goog-Credential=a%2Fb&X-Goog-Date=1',
      '?X-Goog-Signature=[hidden]&X-Goog-Credential=[hidden]&X-Goog-Date=1',
    ],
    ['?key=AIza1', '?key=[hidden]'],
    ['a bearer of news, tokens, keys and eyJ', 'a bearer of news, tokens, keys and eyJ'],
  ])('%s', (text, clean) => {
    expect(redact(text)).toBe(clean)
  })

  test('and so is every secret of the process, as JSON writes it', () => {
    keepSecret(['my"secret\\key', 'short'])
    expect(redact(JSON.stringify({ a: 'my"secret\\key', b: 'short' }))).toBe('{"a":"[hidden]","b":"short"}')
    keepSecret([])
  })
})
