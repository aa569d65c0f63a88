/** Silence as an mp3 of 128 kbit/s, 44.1 kHz, with no tag: `frames` frames of 1152 samples, each of 417 bytes. */
export function silentMp3(frames: number): Buffer {
  const frame = Buffer.alloc(417)
  frame.writeUInt32BE(0xff_fb_90_00)
  return Buffer.concat(Array.from({ length: frames }, () => frame))
}
