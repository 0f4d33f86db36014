// Light and dark: the system's choice, unless the reader made one.
import { useState } from "react";

/** What the reader can choose. */
const themes = ["system", "light", "dark"] as const;
type Theme = (typeof themes)[number];

const storedName = "optamil-theme";

function readTheme(): Theme {
  const stored = localStorage.getItem(storedName);
  return themes.find((theme) => theme === stored) ?? "system";
}

/** Shows the page as the reader chose it earlier. */
export function applyTheme(theme: Theme = readTheme()): void {
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset["theme"];
  else dataset["theme"] = theme;
}

/** The switch between the system's choice, light and dark. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState(readTheme);
  const choose = (text: string) => {
    const chosen = themes.find((one) => one === text) ?? "system";
    if (chosen === "system") localStorage.removeItem(storedName);
    else localStorage.setItem(storedName, chosen);
    applyTheme(chosen);
    setTheme(chosen);
    dispatchEvent(new Event("themechange"));
  };
  return (
    <label className="row between">
      <span className="muted">Appearance</span>
      <select
        className="input theme"
        value={theme}
        onChange={(event) => choose(event.target.value)}
      >
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}
