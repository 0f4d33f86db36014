// Invitations to sign up: signed, for one address, which can have one account, so each works once.
import { SignJWT } from "jose";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { SigningKeys } from "./signing-keys.ts";
import { issuer, keyPrefix, readSigned, toKeysByHeader } from "./token.ts";

/** Whom an invitation lets in. */
export type Invitation = {
  /** Address that may sign up. */
  readonly email: string;
  /** Id of the plan that the account begins on. */
  readonly plan: string;
  /** Unix seconds. */
  readonly expiresAt: number;
};

/** Makes and reads invitations. */
export interface Invitations {
  issue(invitation: Invitation): Promise<string>;
  /** Throws `permission_denied` for what is no invitation of ours, or has ended. */
  read(text: string): Invitation;
}

const prefix = "inv-optamil-";
const invitationAudience = "invitation";

/** The invitations that a gateway's keys sign. */
export function createInvitations(
  signingKeys: Pick<SigningKeys, "signing" | "publicKeys">,
  clock: Pick<Clock, "wallMs">,
): Invitations {
  return {
    async issue({ email, plan, expiresAt }) {
      const { kid, privateKey } = signingKeys.signing;
      const claims = { iss: issuer, aud: invitationAudience, exp: expiresAt, email, plan };
      const jwt = new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", kid });
      return `${prefix}${await jwt.sign(privateKey)}`;
    },
    read(text) {
      const invitation = parse(text, signingKeys);
      if (invitation === undefined || invitation.expiresAt * 1_000 <= clock.wallMs()) {
        const message = "The invitation is not valid any more. Ask the operator for another one.";
        throw new OptamilError("permission_denied", message, { param: "invitation" });
      }
      return invitation;
    },
  };
}

function parse(text: string, { publicKeys }: Pick<SigningKeys, "publicKeys">) {
  if (!text.startsWith(prefix)) return undefined;
  try {
    const token = `${keyPrefix}${text.slice(prefix.length)}`;
    const { iss, aud, exp, email, plan } = readSigned(token, toKeysByHeader(publicKeys()));
    if (iss !== issuer || aud !== invitationAudience || typeof exp !== "number") return undefined;
    if (typeof email !== "string" || typeof plan !== "string") return undefined;
    return { email, plan, expiresAt: exp };
  } catch {
    return undefined;
  }
}
