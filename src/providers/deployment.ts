// Where a model can be had: types only.

/** A model at a provider. */
export type Deployment = {
  /** Catalogue name of the model. */
  readonly model: string;
  /** Name of the provider that serves it. */
  readonly provider: string;
  /** The provider's name for the model. */
  readonly upstreamModel: string;
  /** Share among the deployments of one model, 1 to 1000. */
  readonly weight: number;
  /** False where canned answers stand in for the model. */
  readonly live: boolean;
  /** Requests that its provider takes at once, from all of its deployments together. Default: no bound. */
  readonly maxConcurrent?: number | undefined;
};
