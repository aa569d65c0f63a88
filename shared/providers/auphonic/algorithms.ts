import * as z from 'zod'

import type { AlgorithmValue } from './api.ts'

type Algorithms = Readonly<Record<string, AlgorithmValue>>

const onOff = z.boolean()
const decibels = z.number().min(-1).max(100)
const percent = z.number().min(0).max(120)

/**
 * Algorithms of a recording that leave its length as it is (GET /info/algorithms.json, and
 * https://auphonic.com/help/algorithms/singletrack.html). Those that cut are not among them: words and chapters have the
 * times of the recording. Loudness is each episode's own.
 */
const ALGORITHMS = {
  leveler: onOff,
  levelerstrength: percent,
  filtering: onOff,
  filtermethod: z.enum(['hipfilter', 'autoeq', 'bwe', 'studiovoice']),
  denoise: onOff,
  denoisemethod: z.enum(['classic', 'static', 'dynamic', 'speech_isolation']),
  denoiseamount: decibels,
  deverbamount: decibels,
  debreathamount: decibels,
  normloudness: onOff,
  maxpeak: z.number().min(-9).max(0),
} as const satisfies Record<string, z.ZodType<AlgorithmValue>>

/** Switches that are off where they are not listed: what is not sent has a value of the vendor's choice. */
const SWITCHES = ['leveler', 'filtering', 'denoise', 'normloudness'] as const
const DEFAULT_SWITCHES: readonly string[] = SWITCHES
const EXPECTED = `expected none, names such as ${SWITCHES.join(',')}, or JSON such as {"denoise":true,"denoiseamount":12}`

/** What a recording is mastered with: names of what is switched on, or JSON of names and values. */
export const algorithms = z
  .string()
  .trim()
  .transform((text, context) => {
    try {
      return valuesIn(text)
    } catch {
      context.addIssue({ code: 'custom', message: EXPECTED })
      return z.NEVER
    }
  })
  .pipe(z.strictObject(ALGORITHMS).partial())
  .transform((chosen): Algorithms => ({ ...OFF, ...withoutAbsent(chosen) }))
const OFF = Object.fromEntries(SWITCHES.map((name) => [name, false]))

/** As it is written: in an environment, and in the table of variables. */
export const DEFAULT_ALGORITHMS = DEFAULT_SWITCHES.join(',')

function withoutAbsent(chosen: Readonly<Record<string, AlgorithmValue | undefined>>): Algorithms {
  return Object.fromEntries(
    Object.entries(chosen).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function valuesIn(text: string): unknown {
  if (text.startsWith('{')) return JSON.parse(text)
  if (text === 'none') return {}
  return Object.fromEntries(text.split(',').map((name) => [name.trim(), true]))
}
