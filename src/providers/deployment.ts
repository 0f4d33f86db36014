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
  /** How long it is waited for. Default: as its provider is. */
  readonly timeouts?: DeploymentTimeouts | undefined;
};

/** How long a model is waited for at one provider, milliseconds. Default of each: the provider's. */
export type DeploymentTimeouts = {
  /** From the request to the first token of a stream. */
  readonly firstTokenMs?: number | undefined;
  /** Between two reads of an answer. */
  readonly silenceMs?: number | undefined;
  /** For the whole answer. */
  readonly totalMs?: number | undefined;
};
