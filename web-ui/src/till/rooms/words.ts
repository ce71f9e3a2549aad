/** The words of the rooms, loaded with them: the counter doesn't carry them. */
import { settings } from '../../ui/settings.svelte.ts';
import { en, type Words } from './words.en.ts';
import { vi } from './words.vi.ts';

const WORDS: Record<'en' | 'vi', Words> = { en, vi };

/** In the chosen language; read inside `$derived`, so that it follows the choice. */
export const words = (): Words => WORDS[settings.lang];
