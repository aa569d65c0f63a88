import { cruise } from 'dependency-cruiser'
import type { ICruiseResult } from 'dependency-cruiser'

import { DEPENDENCY_RULES } from './dependency-rules.ts'
import type { Violation } from './layout.ts'

const FOLDERS = ['functions', 'shared', 'infra', 'test']

/**
 * Checks who imports whom in the repository at `root`, imports of types included.
 * @throws Error when it found no imports, so that a tool that reads nothing is noticed
 */
export async function checkDependencies(root: string): Promise<{ violations: Violation[]; importsSeen: number }> {
  const { output } = await cruise(FOLDERS, {
    baseDir: root,
    validate: true,
    ruleSet: { forbidden: DEPENDENCY_RULES },
    doNotFollow: { path: 'node_modules' },
    // TypeScript 7 has no API that others could parse with.
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'types', 'default'] },
  })
  const { summary, modules } = output as ICruiseResult
  if (summary.totalDependenciesCruised === 0 || modules.length === 0) throw new Error('dependencies: no imports found')
  return {
    violations: summary.violations.map(({ from, to, rule, cycle }) => ({
      file: cycle === undefined ? `${from} -> ${to}` : [from, ...cycle.map(({ name }) => name)].join(' -> '),
      rule: `${rule.name} (${DEPENDENCY_RULES.find(({ name }) => name === rule.name)?.comment ?? ''})`,
    })),
    importsSeen: summary.totalDependenciesCruised ?? 0,
  }
}
