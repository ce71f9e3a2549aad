/** Starts the till page. */
import { mount } from 'svelte';
import '../ui/tokens.css';
import '../ui/base.css';
import Till from './Till.svelte';

const target = document.getElementById('till');
if (!target) throw new Error('till.html has an element with the id "till"');
mount(Till, { target });
