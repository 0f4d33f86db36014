// A dialog over the page.
import { type ReactNode, useEffect, useId, useRef } from "react";

type DialogProps = {
  readonly title: string;
  /** Called when the reader leaves it, with Escape too. */
  readonly onClose: () => void;
  readonly children: ReactNode;
};

/** A modal dialog that is open as long as it is rendered. The browser keeps the focus within it. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      className="dialog"
      ref={element}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div>
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
