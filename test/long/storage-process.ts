import { Faults } from '../../infra/local/faults.ts'
import { localServiceAccounts } from '../../infra/local/identity.ts'
import { Journal } from '../../infra/local/journal.ts'
import { storageService } from '../../infra/local/storage/service.ts'

/** The local storage as a process of its own. Says where it is, then, at every line, the most memory it ever had. */
const { publicKey } = localServiceAccounts('demo-storage')
const parts = { faults: new Faults(), journal: new Journal(), signingKey: publicKey, bucket: 'shelf' }
const service = await storageService(parts).start()
process.stdout.write(`${service.origin}\n`)
process.stdin.on('data', () => process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`))
process.stdin.on('end', () => void service.stop().then(() => process.exit(0)))
