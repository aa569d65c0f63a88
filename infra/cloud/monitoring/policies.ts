import type { Deployment } from '../deployment.ts'
import type { Fields, Resource } from '../resource.ts'
import { ALERT_RULES } from './rules.ts'
import type { AlertRule, Condition, Requests } from './rules.ts'
import { functionsHost } from './uptime.ts'

const EVALUATION_SECONDS = 30
const AUTO_CLOSE_SECONDS = 1_800
/** The same thing again is not told more often than this. */
const LOG_REPEAT_SECONDS = 900

/** Alert policies, each with what it means and where the runbook has it. */
export function alertPolicies(deployment: Deployment): Resource[] {
  const { alertEmails, runbookUrl } = deployment
  return ALERT_RULES.map((rule) => ({
    kind: 'alertPolicy',
    name: rule.id,
    reason: rule.title,
    fields: {
      displayName: `Steadycast: ${rule.title}`,
      combiner: 'OR',
      enabled: { value: true },
      severity: rule.severity,
      documentation: {
        content: `${rule.title}: ${rule.meaning}.\n\nWhat to do: ${runbookUrl}#${rule.id}`,
        mimeType: 'text/markdown',
      },
      conditions: [conditionOf(rule, functionsHost(deployment))],
      notificationChannels: alertEmails.map(channelId),
      alertStrategy: {
        autoClose: { seconds: AUTO_CLOSE_SECONDS },
        // The API takes a limit for matches of the log only, and insists on one there.
        ...(rule.condition.kind === 'log' && { notificationRateLimit: { period: { seconds: LOG_REPEAT_SECONDS } } }),
      },
    },
  }))
}

/** Whom to tell. */
export function channels({ alertEmails }: Deployment): Resource[] {
  return alertEmails.map((email) => ({
    kind: 'channel',
    name: channelId(email),
    fields: {
      type: 'email',
      displayName: `Steadycast: ${email}`,
      labels: { email_address: email },
      enabled: { value: true },
    },
    reason: 'is told of alerts',
  }))
}

function channelId(email: string): string {
  return `email-${email.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
}

function conditionOf({ title, condition }: AlertRule, host: string): Fields {
  if (condition.kind === 'log')
    return {
      displayName: title,
      conditionMatchedLog: {
        filter: logFilter(condition.fields),
        labelExtractors: Object.fromEntries(condition.labels.map((label) => [label, `EXTRACT(jsonPayload.${label})`])),
      },
    }
  return {
    displayName: title,
    conditionPrometheusQueryLanguage: {
      query: promQl(condition, host),
      duration: { seconds: 0 },
      evaluationInterval: { seconds: EVALUATION_SECONDS },
      // Before the first request there are no metrics that could be looked up.
      disableMetricValidation: true,
    },
  }
}

/** In the language of Cloud Logging (https://docs.cloud.google.com/logging/docs/view/logging-query-language). */
export function logFilter(fields: Readonly<Record<string, readonly string[]>>): string {
  const conditions = Object.entries(fields).map(([field, values]) => {
    const any = values.map((value) => `"${value}"`).join(' OR ')
    return `jsonPayload.${field}=${values.length > 1 ? `(${any})` : any}`
  })
  return ['resource.type="cloud_run_revision"', ...conditions].join(' AND ')
}

/** The condition as PromQL, over the metrics that Google keeps by itself. */
export function promQl(condition: Exclude<Condition, { kind: 'log' }>, host: string): string {
  switch (condition.kind) {
    case 'share': {
      const window = `${condition.windowSeconds}s`
      const bad = increase(condition.bad, window, ' by (service_name) ')
      const all = increase(condition.all, window, ' by (service_name) ')
      return `(${bad} >= ${condition.atLeast}) and (${bad} / ${all} > ${condition.above})`
    }
    case 'latency': {
      const { requests, quantile, windowSeconds, aboveMs, atLeast } = condition
      const window = `${windowSeconds}s`
      const buckets = `run_googleapis_com:request_latencies_bucket{${selector(requests)}}`
      const value = `histogram_quantile(${quantile}, sum by (le) (rate(${buckets}[${window}])))`
      return `(${value} > ${aboveMs}) and on() (${increase(requests, window)} >= ${atLeast})`
    }
    case 'depth':
      return `max by (queue_id) (cloudtasks_googleapis_com:queue_depth{monitored_resource="cloud_tasks_queue",queue_id=~"work-.*"}) > ${condition.above}`
    case 'uptime':
      return `count by (host) (monitoring_googleapis_com:uptime_check_check_passed{monitored_resource="uptime_url",host="${host}"} == 0) > 1`
  }
}

function increase(requests: Requests, window: string, by = ''): string {
  return `sum${by}(increase(run_googleapis_com:request_count{${selector(requests)}}[${window}]))`
}

function selector({ functions, classes }: Requests): string {
  const answered = classes === undefined ? '' : `,response_code_class=~"${classes.join('|')}"`
  return `monitored_resource="cloud_run_revision",service_name=~"${functions}"${answered}`
}
