/** The words of the console, in the chosen language; read inside `$derived`, so that they follow the choice. */
import { settings } from '../ui/settings.svelte.ts';
import { en, type Words } from './words.en.ts';
import { vi } from './words.vi.ts';

const WORDS: Record<'en' | 'vi', Words> = { en, vi };

export const words = (): Words => WORDS[settings.lang];
