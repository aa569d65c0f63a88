/** Preloaded into every process the local cloud spawns: when the cloud is gone, however it went, so is the process. */
process.once('disconnect', () => process.exit(0))
process.channel?.unref()
