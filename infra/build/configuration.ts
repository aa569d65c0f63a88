import type * as z from 'zod'

import { breakerSettings } from '../../shared/breaker/settings.ts'
import { BREAKERS, loadConfiguration, SECRETS, SETTINGS } from '../../shared/dependencies/config.ts'
import { BREAKER_VARIABLES, breakerPrefix, PLACE } from '../../shared/environment.ts'
import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import { table } from './markdown-table.ts'

/** The reference of every variable, out of the schema that reads it. */
export function configurationTable(): string {
  return table(
    ['Variable', 'Default', 'Meaning', 'Set by'],
    [
      ...rowsOf(SETTINGS, 'you'),
      ...breakerRows(),
      ...rowsOf(SECRETS, 'Secret Manager'),
      ...rowsOf(PLACE, 'the deployment'),
    ],
  )
}

function rowsOf(variables: Record<string, z.ZodType>, setBy: string): string[][] {
  return Object.entries(variables).map(([name, schema]) => {
    if (schema.description === undefined) throw new Error(`${name} has no description`)
    return [`\`${name}\``, defaultOf(schema), schema.description, setBy]
  })
}

function defaultOf(schema: z.ZodType): string {
  const { defaultValue } = schema.def as { defaultValue?: string | number | string[] }
  if (defaultValue === undefined) return ''
  const value = Array.isArray(defaultValue) ? defaultValue.join(',') : String(defaultValue)
  return value === '' ? '' : `\`${value}\``
}

/** What breakers do by themselves, and which of them differ. */
function breakerRows(): string[][] {
  const { breakers } = loadConfiguration({ GOOGLE_CLOUD_PROJECT: 'p', STORAGE_BUCKET: 'b' }, [])
  const common = breakerSettings()
  const rows = Object.entries(BREAKER_VARIABLES).map(([end, { setting, meaning }]) => {
    const showSetting = (value: number | undefined) => {
      if (value === undefined) return 'off'
      return String(setting.endsWith('Ms') ? value / 1000 : value)
    }
    const others = BREAKERS.map((name) => ({ name, value: showSetting(breakerSettings(breakers[name])[setting]) }))
      .filter(({ value }) => value !== showSetting(common[setting]))
      .map(({ name, value }) => `${name}: ${value}`)
    const value = `\`${showSetting(common[setting])}\`${others.length > 0 ? ` (${others.join(', ')})` : ''}`
    return [`\`BREAKER_${end}\``, value, meaning, 'you']
  })
  const names = BREAKERS.map((name) => `\`${breakerPrefix(name).slice('BREAKER_'.length, -1)}\``).join(', ')
  return [
    ...rows,
    [`\`BREAKER_${PROVIDER_NAMES[0].toUpperCase()}_…\` and so on`, '', `any of these for one breaker: ${names}`, 'you'],
  ]
}
