import { fileURLToPath } from 'node:url'

import { checkDependencies } from './dependencies.ts'
import { checkLayout } from './layout.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const { violations: ofFiles, filesSeen } = checkLayout(root)
const { violations: ofImports, importsSeen } = await checkDependencies(root)
const violations = [...ofFiles, ...ofImports]
for (const { file, rule } of violations) process.stderr.write(`${file}: ${rule}\n`)
process.stdout.write(`layout: ${violations.length} violations in ${filesSeen} files and ${importsSeen} imports\n`)
process.exitCode = violations.length === 0 ? 0 : 1
