import { bring, cancel, recordStop, remove, start } from './owner.ts'
import { claim } from './claim.ts'
import { declareStuck, requeue } from './cure.ts'
import { beginUpgrade } from './upgrade.ts'
import { finishFromStorage, settle } from './settle.ts'
import { settleLate } from './settle-late.ts'
import { hasten } from './webhook.ts'
import { letGo, renew } from './renew.ts'

/**
 * Everything that can happen to a workflow, each a pure function `(pipeline, workflow, event, nowMs)`: nothing in this
 * folder reads a clock, makes an id or touches the network.
 */
export const EVENTS = {
  /** An owner starts it, or starts it again. */
  start,
  /** An owner brings what a step was to make. */
  bring,
  /** An owner cancels it. */
  cancel,
  /** An owner deletes it. */
  remove,
  /** A worker asks for the step that its task names. */
  claim,
  /** The holder of a step renews its lease, and records what it knows of its job. */
  renew,
  /** The holder of a step stops before its end. */
  letGo,
  /** The holder of a step has finished its attempt. */
  settle,
  /** An attempt that has lost its step says what became of its paid call. */
  settleLate,
  /** A provider says that a job has news. */
  hasten,
  /** A provider has stopped the job of a cancelled workflow. */
  recordStop,
  /** The sweep gives a stalled step to another attempt. */
  requeue,
  /** The sweep ends what has made no progress for too long. */
  declareStuck,
  /** The sweep finds every output in storage. */
  finishFromStorage,
  /** The sweep has a fallback's result made again by its provider. */
  beginUpgrade,
} as const
