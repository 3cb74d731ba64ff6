import { jobEngineSuite } from '@holdfast/conformance';

// built in: nobody passes it
jobEngineSuite('memory:', { engine: undefined, url: () => 'memory:' });
