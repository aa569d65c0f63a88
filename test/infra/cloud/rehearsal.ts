import { deploymentOf } from '../../../infra/cloud/deployment.ts'
import type { Deployment } from '../../../infra/cloud/deployment.ts'
import { deploying } from '../../../infra/cloud/deploying.ts'
import type { DeployOptions } from '../../../infra/cloud/deploying.ts'
import type { Source } from '../../../infra/cloud/kinds/functions.ts'
import { startControlPlane } from '../../../infra/local/control-plane/control-plane.ts'
import type { ControlPlaneServer, Telemetry } from '../../../infra/local/control-plane/control-plane.ts'
import { ControlPlaneState } from '../../../infra/local/control-plane/state.ts'
import { PROVIDER_KEYS } from '../../shared/provider-keys.ts'

export const PROJECT = 'demo-podcast'
export const KEYS = PROVIDER_KEYS

export function deployment(environment: Record<string, string> = {}): Deployment {
  return deploymentOf({
    project: PROJECT,
    environment: {
      ...KEYS,
      ALERT_EMAILS: 'ops@example.com',
      CORS_ALLOWED_ORIGINS: 'https://app.example',
      ...environment,
    },
  })
}

/** A source that nobody has to build. */
export function sourceOf(hash: string): Source {
  return { hash, zip: async () => new Uint8Array([0x50, 0x4b]) }
}

export type Rehearsal = {
  state: ControlPlaneState
  server: ControlPlaneServer
  /** Deploys, or plans, or destroys, and says what was said. */
  run: (mode: DeployOptions['mode'], options?: Partial<DeployOptions>) => Promise<Ran>
  stop: () => Promise<void>
}
type Ran = Awaited<ReturnType<typeof deploying>> & { said: string[]; changes: string[] }

/** A project in which nothing is yet, on a control plane of this machine. */
export async function rehearse(telemetry?: Telemetry): Promise<Rehearsal> {
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const state = new ControlPlaneState(PROJECT)
  const server = await startControlPlane(state, telemetry)
  return {
    state,
    server,
    async run(mode, options = {}) {
      const said: string[] = []
      server.calls.length = 0
      const patience = { triesMax: 3, waitMs: 1 }
      const base = { deployment: deployment(), mode, source: sourceOf('one'), controlPlane: server, patience }
      const ran = await deploying({ ...base, say: (line) => said.push(line), ...options })
      return { ...ran, said, changes: server.calls.filter(({ changes }) => changes).map(({ method }) => method) }
    },
    stop: () => server.stop(),
  }
}
