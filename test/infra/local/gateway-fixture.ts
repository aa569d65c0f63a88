import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Connections } from '../../../infra/local/functions/connections.ts'
import { Gateway } from '../../../infra/local/gateway.ts'
import { localLog } from '../../../infra/local/local-log.ts'
import { startEdgeProcess } from '../../shared/http/edge-process.ts'
import type { EdgeProcess, EdgeProcessOptions } from '../../shared/http/edge-process.ts'

/** The functions of edge-functions.ts behind a gateway, all under this name; `x-row` says which. */
export const BEHIND = '/episodes-create'

export type GatewayFixture = {
  edge: EdgeProcess
  /** Where the function process itself listens. */
  socketPath: string
  /** Where the gateway does. */
  port: number
  connections: Connections
  /** Lines of the gateway's own. */
  lines: Record<string, unknown>[]
  stop: () => Promise<void>
}

/** A gateway in this process, in front of a function process. */
export async function startBehindGateway(options: EdgeProcessOptions = {}): Promise<GatewayFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'steadycast-gateway-'))
  const socketPath = join(folder, 'function.sock')
  const edge = await startEdgeProcess({ ...options, socketPath })
  const lines: Record<string, unknown>[] = []
  const gateway = new Gateway(localLog((line) => lines.push(JSON.parse(line) as Record<string, unknown>)))
  const port = Number(new URL(await gateway.listen(0)).port)
  const connections = new Connections()
  gateway.open(undefined, { next: async () => ({ socketPath, connections }) })
  return {
    edge,
    socketPath,
    port,
    connections,
    lines,
    stop: async () => {
      await gateway.stop()
      await edge.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
