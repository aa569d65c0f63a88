import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Every end-to-end file masters the same recording: what one of them has made serves the others, until the run ends. */
export default function setUp(): () => void {
  const folder = mkdtempSync(join(tmpdir(), `steadycast-${process.pid}-shared-`))
  process.env['SHARED_AUDIO_FOLDER'] = folder
  return () => rmSync(folder, { recursive: true, force: true })
}
