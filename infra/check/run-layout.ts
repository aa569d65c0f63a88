import { fileURLToPath } from 'node:url'

import { readWords, runCommandLine } from '../command-line.ts'
import { checkDependencies } from './dependencies.ts'
import { checkLayout } from './layout.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const USAGE = `Usage: npm run check:layout
Checks where files are, how long they are, and which rooms import which.`

await runCommandLine(USAGE, async () => {
  readWords(process.argv.slice(2), {})
  const { violations: ofFiles, filesSeen } = checkLayout(root)
  const { violations: ofImports, importsSeen } = await checkDependencies(root)
  const violations = [...ofFiles, ...ofImports]
  for (const { file, rule } of violations) process.stderr.write(`${file}: ${rule}\n`)
  process.stdout.write(`layout: ${violations.length} violations in ${filesSeen} files and ${importsSeen} imports\n`)
  return violations.length === 0 ? 0 : 1
})
