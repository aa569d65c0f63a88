import { watchServers } from '../../../shared/http/framework/announced-servers.ts'

/** Preloaded into every function process: the gateway closes idle connections, so none is closed under its requests. */
watchServers((server) => {
  if (typeof server === 'object' && server !== null && 'keepAliveTimeout' in server) server.keepAliveTimeout = 0
})
