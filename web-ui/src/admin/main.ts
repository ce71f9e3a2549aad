/** Starts the console. */
import { mount } from 'svelte';
import '../ui/tokens.css';
import '../ui/base.css';
import './admin.css';
import Admin from './Admin.svelte';

const target = document.getElementById('console');
if (!target) throw new Error('admin.html has an element with the id "console"');
mount(Admin, { target });
