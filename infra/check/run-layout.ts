import { fileURLToPath } from 'node:url'

import { checkLayout } from './layout.ts'

const { violations, filesSeen, importsSeen } = checkLayout(fileURLToPath(new URL('../../', import.meta.url)))
for (const { file, rule } of violations) process.stderr.write(`${file}: ${rule}\n`)
process.stdout.write(`layout: ${violations.length} violations in ${filesSeen} files and ${importsSeen} imports\n`)
process.exitCode = violations.length === 0 ? 0 : 1
