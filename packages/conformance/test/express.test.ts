import { conformance } from '@holdfast/conformance';
import { onExpress } from './servers/express.ts';

conformance('Express', onExpress);
