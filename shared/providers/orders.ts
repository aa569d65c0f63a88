import type * as z from 'zod'

import { order } from '../environment.ts'
import type { PortName } from '../podcast/ports.ts'
import { providerNamed, PROVIDERS } from './providers.ts'
import type { ProviderName } from './providers.ts'

export type ProviderOrder = { readonly [Port in PortName]: readonly ProviderName[] }

/** Whom each port goes to where configuration does not say otherwise: all that implement it, in the order of the list. */
export const DEFAULT_ORDER: ProviderOrder = {
  transcribers: implementersOf('transcribers'),
  writers: implementersOf('writers'),
  speakers: implementersOf('speakers'),
  masterings: implementersOf('masterings'),
}

function implementersOf(port: PortName): ProviderName[] {
  return PROVIDERS.filter(({ make }) => Object.hasOwn(make, port)).map(({ name }) => name)
}

const WORK: { readonly [Port in PortName]: string } = {
  transcribers: 'transcribes',
  writers: 'writes show notes',
  speakers: 'speaks intros',
  masterings: 'masters',
}

/** By port, the schema of the variable that orders its providers. */
export const ORDERS: { readonly [Port in PortName]: z.ZodType<string[]> } = {
  transcribers: orderOf('transcribers'),
  writers: orderOf('writers'),
  speakers: orderOf('speakers'),
  masterings: orderOf('masterings'),
}

function orderOf(port: PortName): z.ZodType<string[]> {
  const able = implementersOf(port)
  const meaning = `who ${WORK[port]}, the first first; of ${able.map((name) => `\`${name}\``).join(', ')}`
  return order(able)
    .default([...DEFAULT_ORDER[port]])
    .describe(meaning)
}

/** As their vendors spell them: those that a port goes to by default. */
export function titlesOf(port: PortName): string {
  return DEFAULT_ORDER[port].map((name) => providerNamed(name).title).join(', ')
}
