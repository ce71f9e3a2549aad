/** Two short tones: taken and refused. Never the only signal, and silent when switched off. */
import { settings } from './settings.svelte.ts';

let context: AudioContext | null = null;

export function beep(kind: 'accept' | 'reject'): void {
  if (!settings.sound) return;
  try {
    context ??= new AudioContext();
    if (context.state === 'suspended') void context.resume();
    if (kind === 'accept') tone(context, 1320, 0, 0.06);
    else [0, 0.14].forEach((start) => tone(context!, 220, start, 0.1));
  } catch {
    // No sound device: the page says the same in writing.
  }
}

function tone(on: AudioContext, frequency: number, start: number, length: number): void {
  const from = on.currentTime + start;
  const oscillator = on.createOscillator();
  const volume = on.createGain();
  oscillator.frequency.value = frequency;
  volume.gain.setValueAtTime(0.08, from);
  volume.gain.exponentialRampToValueAtTime(0.001, from + length);
  oscillator.connect(volume).connect(on.destination);
  oscillator.start(from);
  oscillator.stop(from + length);
}
