/** What may be wrong with an answer that would have been good. */
const TAMPERINGS = ['remove', 'null', 'type', 'extra', 'tooLong', 'tooBig', 'odd', 'deep'] as const
const ODD_TEXTS = ['', ' ', '\u0000', '\ud83d', '\u202Eevil', '-1', '00:12:30', '<b>', '\uFEFFtext', '🙂'.repeat(300)]
const ODD_NUMBERS = [-1, 0, 0.5, 1e308, -1e308, Number.MAX_SAFE_INTEGER + 2, 4_294_967_296]
const LONG = 20_000

/** A copy of a JSON value in which a few seeded things are wrong. */
export function tamper(value: unknown, random: () => number): unknown {
  let copy = structuredClone(value)
  const times = 1 + Math.floor(random() * 3)
  for (let time = 0; time < times; time++) copy = tamperOnce(copy, random)
  return copy
}

function tamperOnce(value: unknown, random: () => number): unknown {
  const places = placesIn(value)
  const place = places[Math.floor(random() * places.length)]
  if (place === undefined) return pick(random, [null, [], 'text', 7, true])
  const { parent, key } = place
  switch (pick(random, TAMPERINGS)) {
    case 'remove':
      if (Array.isArray(parent)) parent.splice(Number(key), 1)
      else Reflect.deleteProperty(parent, key)
      break
    case 'null':
      write(place, null)
      break
    case 'type':
      write(place, pick(random, ['text', 7, true, [], {}, [[]], [null], '7']))
      break
    case 'extra':
      if (!Array.isArray(parent)) parent['not_known_yet'] = { of: [1, 'two', null] }
      break
    case 'tooLong':
      write(place, Array.isArray(read(place)) ? Array.from({ length: LONG }, () => 'item') : 'long '.repeat(LONG))
      break
    case 'tooBig':
      write(place, pick(random, ODD_NUMBERS))
      break
    case 'odd':
      write(place, pick(random, ODD_TEXTS))
      break
    case 'deep':
      write(place, JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`))
      break
  }
  return value
}

type Place = { readonly parent: Record<string, unknown> | unknown[]; readonly key: string }

function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return []
  const parent = value as Record<string, unknown>
  const own = Object.keys(parent).slice(0, 200)
  return own.flatMap((key) => [{ parent, key }, ...placesIn(parent[key])])
}

function read({ parent, key }: Place): unknown {
  return (parent as Record<string, unknown>)[key]
}

function write({ parent, key }: Place, value: unknown): void {
  ;(parent as Record<string, unknown>)[key] = value
}

/** The bytes of an answer, as a server that has its encoding wrong might send them. */
export function misencode(text: string, random: () => number): Buffer {
  switch (pick(random, ['bom', 'utf16', 'latin1', 'cut', 'twice', 'fenced'] as const)) {
    case 'bom':
      return Buffer.from(`\uFEFF${text}`)
    case 'utf16':
      return Buffer.from(text, 'utf16le')
    case 'latin1':
      return Buffer.from(text, 'latin1')
    case 'cut':
      return Buffer.from(text.slice(0, Math.floor(random() * text.length)))
    case 'twice':
      return Buffer.from(text + text)
    case 'fenced':
      return Buffer.from(`\`\`\`json\n${text}\n\`\`\``)
  }
}

function pick<T>(random: () => number, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)] as T
}
