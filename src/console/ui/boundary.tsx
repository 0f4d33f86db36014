// Keeps a page that breaks from taking the console with it.
import { Component, type ReactNode } from "react";
import { Button } from "./button.tsx";
import { Empty } from "./layout.tsx";

/** Shows what is within it, or, where that breaks or cannot be loaded, a way to load it anew. */
export class PageBoundary extends Component<
  { readonly children: ReactNode },
  { readonly broken: boolean }
> {
  override state = { broken: false };

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    return (
      <div className="card" role="alert">
        <Empty title="This page could not be shown">
          <span>The gateway may have been upgraded since it was opened.</span>
          <Button onClick={() => location.reload()}>Load it anew</Button>
        </Empty>
      </div>
    );
  }
}
