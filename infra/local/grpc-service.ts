import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js'
import type {
  GrpcObject,
  handleServerStreamingCall,
  handleUnaryCall,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'

import type { Faults, Target } from './faults.ts'
import { onLastingPort } from './lasting-port.ts'

/** gRPC status codes (https://grpc.io/docs/guides/status-codes/). */
export const STATUS = {
  ok: 0,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

export class GrpcError extends Error {
  override readonly name = 'GrpcError'
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
  get details(): string {
    return this.message
  }
}

export type Unary = (request: never) => unknown
export type Streaming = (request: never) => Iterable<unknown> | Promise<Iterable<unknown>>
/** Asked before a call is carried out; throws to refuse it. */
export type Gate = (method: string, request: unknown) => void
/** One call that has ended. */
export type Call = {
  readonly method: string
  readonly request: unknown
  /** All messages of its answer. */
  readonly answers: readonly unknown[]
  /** gRPC status code. */
  readonly status: number
}
export type Around = { readonly gate?: Gate | undefined; readonly hear?: ((call: Call) => void) | undefined }
export type Served = { definition: ServiceDefinition; methods: Methods }
export type Methods = { unary: Record<string, Unary>; streaming?: Record<string, Streaming> }

const require = createRequire(import.meta.url)

/** A service definition out of the protos that a Google client package ships. */
export function serviceOf(packageName: string, service: string, protoFile = 'protos.json'): ServiceDefinition {
  const root = require.resolve(packageName).replace(/\/build\/.*$/, '/build/protos/')
  let found: unknown = loadProtos(root + protoFile)
  for (const part of service.split('.')) found = (found as Record<string, unknown>)[part]
  return (found as { service: ServiceDefinition }).service
}

const loadedProtos = new Map<string, GrpcObject>()

/** Several services come out of one file, and reading one takes tens of milliseconds: each is read once. */
function loadProtos(path: string): GrpcObject {
  const known = loadedProtos.get(path)
  if (known !== undefined) return known
  const definition = fromJSON(JSON.parse(readFileSync(path, 'utf8')) as Parameters<typeof fromJSON>[0], {
    keepCase: false,
    longs: String,
    enums: String,
    defaults: false,
    oneofs: true,
  })
  const loaded = loadPackageDefinition(definition)
  loadedProtos.set(path, loaded)
  return loaded
}

/** One local gRPC server on loopback; methods that are not given answer UNIMPLEMENTED. */
export class GrpcService {
  readonly #services: readonly Served[]
  readonly #around: Around
  readonly #faults: Faults
  readonly #target: Target
  #server: Server | undefined
  #port = 0

  constructor(target: Target, faults: Faults, services: readonly Served[], around: Around = {}) {
    this.#around = around
    this.#target = target
    this.#faults = faults
    this.#services = services
    faults.onChange(async (changed, fault) => {
      if (changed !== target || this.#port === 0) return
      if (fault?.mode === 'down') this.#close()
      else if (this.#server === undefined) await this.#listen(this.#port)
    })
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  async start(): Promise<this> {
    await onLastingPort((port) => this.#listen(port))
    return this
  }

  stop(): void {
    this.#close()
    this.#port = 0
  }

  async #listen(port: number): Promise<void> {
    const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
    for (const { definition, methods } of this.#services)
      server.addService(definition, this.#implement(definition, methods))
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        // The library does not say why; on the loopback address somebody else has the port.
        error ? reject(Object.assign(error, { code: 'EADDRINUSE' })) : resolve(bound),
      )
    })
    this.#server = server
  }

  #close(): void {
    this.#server?.forceShutdown()
    this.#server = undefined
  }

  #implement(definition: ServiceDefinition, methods: Methods): UntypedServiceImplementation {
    return Object.fromEntries(
      Object.keys(definition).map((name) => {
        const streaming = methods.streaming?.[name]
        return [
          name,
          streaming ? this.#streaming(name, streaming) : this.#unary(name, methods.unary[name] ?? refuseMethod(name)),
        ]
      }),
    )
  }

  #unary(name: string, method: Unary): handleUnaryCall<unknown, unknown> {
    return (call, callback) => {
      this.#faulty(name, call.request, () => method(call.request as never)).then(
        (answer) => {
          this.#tell(name, call.request, [answer])
          callback(null, answer)
        },
        (error: unknown) => callback(this.#fail(name, call.request, error)),
      )
    }
  }

  #streaming(name: string, method: Streaming): handleServerStreamingCall<unknown, unknown> {
    return (call) => {
      this.#faulty(name, call.request, () => method(call.request as never)).then(
        (given) => {
          const answers = [...given]
          this.#tell(name, call.request, answers)
          for (const answer of answers) call.write(answer)
          call.end()
        },
        (error: unknown) => call.emit('error', this.#fail(name, call.request, error)),
      )
    }
  }

  async #faulty<T>(name: string, request: unknown, work: () => T | Promise<T>): Promise<T> {
    const fault = this.#faults.hit(this.#target)
    if (fault?.mode === 'blackhole') {
      this.#tell(name, request, [], STATUS.deadlineExceeded)
      return new Promise<T>(() => undefined)
    }
    if (fault?.mode === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.latencyMs ?? 5000))
    else if (fault !== undefined) throw new GrpcError(STATUS.unavailable, `fault: ${fault.mode}`)
    this.#around.gate?.(name, request)
    return work()
  }

  #tell(method: string, request: unknown, answers: readonly unknown[], status: number = STATUS.ok): void {
    this.#around.hear?.({ method, request, answers, status })
  }

  #fail(method: string, request: unknown, thrown: unknown): GrpcError {
    const error = asStatus(thrown)
    this.#tell(method, request, [], error.code)
    return error
  }
}

function refuseMethod(name: string): Unary {
  return () => {
    throw new GrpcError(STATUS.unimplemented, `${name} is not part of the local cloud`)
  }
}

function asStatus(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error
  process.stderr.write(`local gRPC: ${error instanceof Error ? error.stack : String(error)}\n`)
  return new GrpcError(STATUS.internal, error instanceof Error ? error.message : String(error))
}
