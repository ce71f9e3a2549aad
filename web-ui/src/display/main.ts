/** Starts the customer display of the till its address names: `/display/R1`. */
import { mount } from 'svelte';
import '../ui/tokens.css';
import '../ui/base.css';
import Display from './Display.svelte';

const target = document.getElementById('display');
if (!target) throw new Error('display.html has an element with the id "display"');
mount(Display, { target });
