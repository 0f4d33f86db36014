// Turns the pages of a list whose newest entries come first.
import { Button } from "./button.tsx";

type PagerProps = {
  /** Undefined: this page is the newest. */
  readonly onNewer: (() => void) | undefined;
  /** Undefined: this page is the last. */
  readonly onOlder: (() => void) | undefined;
};

/** Two buttons; nothing where there is one page only. */
export function Pager({ onNewer, onOlder }: PagerProps) {
  if (onNewer === undefined && onOlder === undefined) return undefined;
  return (
    <div className="row between pager">
      <Button slim disabled={onNewer === undefined} onClick={onNewer}>
        Newer
      </Button>
      <Button slim disabled={onOlder === undefined} onClick={onOlder}>
        Older
      </Button>
    </div>
  );
}
