/** Things a handler can throw, by name; none of them an HttpError, most of them not even an Error. */
export function thrownThings(): Record<string, () => never> {
  const circular = new Error('circular')
  circular.cause = circular
  const raise = (thing: unknown): never => {
    // oxlint-disable-next-line typescript/only-throw-error -- anything can be thrown, and must be answered
    throw thing
  }
  return {
    error: () => raise(new Error('with a stack')),
    string: () => raise('just words'),
    null: () => raise(null),
    undefined: () => raise(undefined),
    number: () => raise(42),
    bigint: () => raise(7n),
    symbol: () => raise(Symbol('s')),
    function: () => raise(() => 1),
    circular: () => raise(circular),
    getter: () =>
      raise(
        Object.defineProperties(new Error('hidden'), {
          message: { get: () => raise(new Error('from the getter')) },
          stack: { get: () => raise(new Error('from the getter')) },
          cause: { get: () => raise(new Error('from the getter')) },
        }),
      ),
    proxy: () =>
      raise(
        new Proxy(
          {},
          {
            getPrototypeOf: () => raise(new Error('from the trap')),
            get: () => raise(new Error('from the trap')),
            ownKeys: () => raise(new Error('from the trap')),
          },
        ),
      ),
    nothing: () => raise(Object.create(null)),
    toJSON: () => raise(Object.assign(new Error('no JSON'), { toJSON: () => raise(new Error('from toJSON')) })),
  }
}
