/** For tests in which every sidecar of the archive is sound: a finding fails the test. */
import type { OnSidecarFinding } from '../../core/sidecars/sidecar-state.ts';

export const noFindings: { readonly onFinding: OnSidecarFinding } = {
  onFinding: ({ key, error }) => {
    throw new Error(`${key}: ${error.message}`);
  },
};
