import { describe, expect, test } from 'vitest'

import { ALERT_RULES } from '../../infra/cloud/monitoring/rules.ts'
import { day, firings } from '../infra/cloud/recorded-fleet.ts'
import { seededRandom } from '../shared/seeded-random.ts'

const QUIET_DAYS = 20

describe('alerts', () => {
  test('are silent on quiet days: fewer than one in ten is a false alarm', () => {
    const seed = 11
    const random = seededRandom(seed)
    const falseAlarms: string[] = []
    for (let i = 0; i < QUIET_DAYS; i++) {
      const recording = day(random)
      for (const rule of ALERT_RULES)
        for (const at of firings(rule, recording)) falseAlarms.push(`${rule.id} day ${i} ${at}`)
    }
    // One incident of each kind in the same time is a calm month.
    const share = falseAlarms.length / (falseAlarms.length + ALERT_RULES.length)
    expect(falseAlarms.slice(0, 5).concat(String(share < 0.1))).toEqual([...falseAlarms.slice(0, 5), 'true'])
  })
})
