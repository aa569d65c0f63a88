import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { FUNCTIONS } from '../../functions/functions.ts'
import { packSource } from '../../infra/cloud/source.ts'
import { endProcess } from '../../infra/local/functions/instances.ts'
import { PROJECT, rehearse } from '../infra/cloud/rehearsal.ts'
import type { Rehearsal } from '../infra/cloud/rehearsal.ts'

const run = promisify(execFile)
const UNAVAILABLE = { status: 'fail', error: { code: 'service_unavailable' } }

type Deployed = {
  buildConfig: { entryPoint: string; runtime: string; source: { storageSource: { object: string } } }
  serviceConfig: {
    timeoutSeconds: number
    environmentVariables: Record<string, string>
    secretEnvironmentVariables?: { key: string; secret: string; version: string }[]
  }
}

let project: Rehearsal
/** What was uploaded, unpacked, with what npm installed into it. */
const folder = mkdtempSync(join(tmpdir(), 'steadycast-package-'))

beforeAll(async () => {
  project = await rehearse()
  await project.run('apply', { source: await packSource('us-central1') })
  const { object } = deployed('ops-live').buildConfig.source.storageSource
  for (const [name, content] of Object.entries(unzipSync(project.state.uploads.get(object) ?? new Uint8Array()))) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  await run('npm', ['ci', '--omit=dev', '--ignore-scripts'], { cwd: folder })
}, 180_000)
afterAll(async () => {
  await project.stop()
  rmSync(folder, { recursive: true, force: true })
})

function deployed(name: string): Deployed {
  return project.state.get(`projects/${PROJECT}/locations/us-central1/functions/${name}`) as Deployed
}

/** Starts a function as the platform would: its entry point, its variables, the secrets that it is given. */
async function started(name: string): Promise<{ child: ChildProcess; origin: string; output: () => string }> {
  const { buildConfig, serviceConfig } = deployed(name)
  const secrets = (serviceConfig.secretEnvironmentVariables ?? []).map(({ key, secret, version }) => [
    key,
    project.state.secretValues.get(`projects/${PROJECT}/secrets/${secret}/versions/${version}`) ?? '',
  ])
  const port = await freePort()
  const child = spawn(
    process.execPath,
    [join(folder, 'node_modules/@google-cloud/functions-framework/build/src/main.js')],
    {
      cwd: folder,
      env: {
        ...serviceConfig.environmentVariables,
        ...Object.fromEntries(secrets),
        PATH: process.env['PATH'],
        HOME: folder,
        NODE_ENV: 'production',
        METADATA_SERVER_DETECTION: 'none',
        PORT: String(port),
        FUNCTION_TARGET: buildConfig.entryPoint,
        FUNCTION_SIGNATURE_TYPE: 'http',
        K_SERVICE: name,
        K_REVISION: `${name}-00001-abc`,
        CLOUD_RUN_TIMEOUT_SECONDS: String(serviceConfig.timeoutSeconds),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await vi.waitFor(() => listening(port), { timeout: 30_000, interval: 50 })
  return { child, origin: `http://127.0.0.1:${port}`, output: () => text }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function listening(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}

describe('what was uploaded, with production dependencies alone', () => {
  test.each(Object.values(FUNCTIONS))(
    'starts as $name, and refuses who does not belong',
    async ({ name, method, caller }) => {
      const { child, origin, output } = await started(name)
      try {
        const ask = async () => {
          const answer = await fetch(origin, {
            method,
            ...(method === 'POST' && { headers: { 'Content-Type': 'application/json' }, body: '{}' }),
          })
          return { answer, body: (await answer.json()) as { error?: { code: string }; status?: string } }
        }
        const { answer, body } = await ask()
        if (name === 'ops-live') expect([answer.status, body]).toEqual([200, { status: 'live' }])
        else if (caller === 'anyone') {
          expect([answer.status, body]).toEqual([200, { status: 'warn' }])
          // There is no cloud here, and once it has had time to look it says so in the shape of every error.
          await vi.waitFor(
            async () => expect(await ask()).toMatchObject({ answer: { status: 503 }, body: UNAVAILABLE }),
            { timeout: 60_000, interval: 500 },
          )
        } else expect([answer.status, body.error?.code]).toEqual([401, 'unauthenticated'])
        expect(output()).not.toMatch(/key-0123456789/)
      } finally {
        await endProcess(child, 2_000)
      }
    },
  )
})
