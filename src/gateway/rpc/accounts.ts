// AccountService: sign-up.
import { create } from "@bufbuild/protobuf";
import type { SignUp } from "../../directory/sign-up.ts";
import { AccountService, SignUpResponseSchema } from "../../gen/optamil/v1/accounts_pb.ts";
import { type MethodEntry, publicUnary } from "../exchange.ts";

/** The methods of AccountService. */
export function accountMethods(signUp: SignUp): readonly MethodEntry[] {
  return [
    publicUnary(AccountService.method.signUp, async (request) =>
      create(SignUpResponseSchema, await signUp(request)),
    ),
  ];
}
