// Starts the console in its document.
import { createRoot } from "react-dom/client";
import { SessionProvider } from "./api/session.tsx";
import { App } from "./app.tsx";
import { applyTheme } from "./theme.tsx";

applyTheme();
const root = document.getElementById("root");
if (root === null) throw new Error("the document has no root");
createRoot(root).render(
  <SessionProvider>
    <App />
  </SessionProvider>,
);
