import * as z from 'zod'

import type { Cost, Material } from '../../podcast/ports.ts'
import { TITLE_DEFAULT } from '../../podcast/defaults.ts'
import type { Notes } from '../../podcast/words/notes.ts'
import { readNotes } from '../../podcast/words/read-notes.ts'
import { unusable } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { providerWords } from '../strings.ts'

/** What is of another kind than it should be counts as absent: the answer is charged, so what is left of it is used. */
const orAbsent = <T extends z.ZodType>(schema: T) => schema.nullish().catch(undefined)
const count = z.int().min(0).catch(0).default(0)

const Candidate = z.object({
  content: orAbsent(
    z.object({
      parts: orAbsent(z.array(z.object({ text: orAbsent(z.string()), thought: orAbsent(z.boolean()) }).catch({}))),
    }),
  ),
  finishReason: orAbsent(providerWords),
})
const USAGE = {
  promptTokenCount: count,
  cachedContentTokenCount: count,
  candidatesTokenCount: count,
  thoughtsTokenCount: count,
}

/** As much of a GenerateContentResponse as we use; its blocks and ends come with 200. */
export const Generated = z.object({
  candidates: orAbsent(z.array(Candidate.catch({}))),
  promptFeedback: orAbsent(z.object({ blockReason: orAbsent(providerWords) })),
  usageMetadata: orAbsent(z.object(USAGE)),
})
type Generated = z.infer<typeof Generated>

/** Ends that are about the content: the same words are refused again. */
const BLOCKED_FINISHES: ReadonlySet<string> = new Set([
  'SAFETY',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
])

/**
 * The notes in an answer, and what it was charged.
 * @throws ProviderError content_blocked when it was refused for what is in it, invalid_input for its language, unusable
 *   for any other answer without notes; each with what it was charged
 */
export function readAnswer(request: ProviderRequest, generated: Generated, material: Material) {
  const cost = costOf(generated)
  const candidate = generated.candidates?.[0]
  const finish = candidate?.finishReason ?? 'no finish reason'
  throwIfRefused(request, blockOf(generated, finish), finish, cost)
  // It comes at random, and a repeat cures it; what it was cut off from is somebody else's text.
  const recited = finish === 'RECITATION'
  const notes = recited ? undefined : notesIn(candidate, material)
  if (notes === undefined) throw unusable(request, `no notes in the answer (${finish})`, cost)
  return { notes, cost }
}

function throwIfRefused(request: ProviderRequest, block: string | undefined, finish: string, cost: Cost): void {
  const { provider, operation } = request
  if (block !== undefined)
    throw new ProviderError(provider, operation, { kind: 'content_blocked', message: `blocked (${block})`, cost })
  if (finish === 'LANGUAGE')
    throw new ProviderError(provider, operation, { kind: 'invalid_input', message: 'language not supported', cost })
}

/** A prompt that was blocked has no candidates; an answer that was has its end for a reason. */
function blockOf({ candidates, promptFeedback }: Generated, finish: string): string | undefined {
  const reason = promptFeedback?.blockReason ?? undefined
  if (reason !== undefined && !candidates?.length && !reason.endsWith('_UNSPECIFIED')) return reason
  return BLOCKED_FINISHES.has(finish) ? finish : undefined
}

/** Thoughts come as parts, too, and are none of the answer. */
function notesIn(candidate: z.infer<typeof Candidate> | undefined, material: Material): Notes | undefined {
  const parts = candidate?.content?.parts ?? []
  const text = parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join('')
  return readNotes(text, spareOf(material))
}

const SPARE_DESCRIPTION_CHARS = 300

/** The working title, when the owner has given one, and the first words that are spoken. */
function spareOf({ title, passages }: Material) {
  let description = ''
  for (const { text } of passages) {
    if (description !== '' && description.length + text.length >= SPARE_DESCRIPTION_CHARS) break
    description = `${description} ${text}`
  }
  return { title: title === TITLE_DEFAULT ? '' : title, description }
}

/** Thinking is charged as output. */
function costOf({ usageMetadata }: Generated): Cost {
  return {
    calls: 1,
    inputTokens: usageMetadata?.promptTokenCount ?? 0,
    cachedInputTokens: usageMetadata?.cachedContentTokenCount ?? 0,
    outputTokens: (usageMetadata?.candidatesTokenCount ?? 0) + (usageMetadata?.thoughtsTokenCount ?? 0),
  }
}
