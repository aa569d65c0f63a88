import * as z from 'zod'

/* Strings of a provider's answer: a string without end would be stored, told and logged. */

const ID_CHARS_MAX = 200
const URL_CHARS_MAX = 4_000
const WORDS_CHARS_MAX = 1_000

/** The id of what it has made: stored with the episode. */
export const providerId = z.string().min(1).max(ID_CHARS_MAX)
/** Where something of it is. */
export const providerUrl = z.url().max(URL_CHARS_MAX)
/** What it says in words, of which the beginning is enough. */
export const providerWords = z.string().transform((text) => text.slice(0, WORDS_CHARS_MAX))
