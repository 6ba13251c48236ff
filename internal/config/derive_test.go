package config_test

import (
	"testing"

	"jeos/internal/config"
)

func TestDerive(t *testing.T) {
	// The values are written out because changing them would replace the nics and bridges of every user.
	for got, want := range map[string]string{
		config.DeriveMAC("home", "web", "lan"): "52:54:00:3f:4a:2d",
		config.DeriveBridge("home", "lan"):     "jf6141436d1",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestHashedPassword compares with what openssl passwd -6 -salt S.1mpEko48Pl1ozP 'pass wörd$6$' prints.
func TestHashedPassword(t *testing.T) {
	site := loadOne(t, `user "a" {
    password = "pass wörd$6$"
  }`)
	hashed := site.Guests[0].Users[0].HashedPassword
	const want = "$6$S.1mpEko48Pl1ozP$Zx7oLz0zNJa8GaRVulmCJUqbqXr98LJ/dJ2uPuVUrcwwcbtkixJjza1536wi.i7ZosVlrEGdXBxrfcZSiejqN/"
	if hashed != want {
		t.Errorf("got %s, want %s", hashed, want)
	}
}

// loadOne loads a site with one guest that has the given arguments and blocks.
func loadOne(t *testing.T, body string) *config.Site {
	t.Helper()
	dir := writeFiles(t, map[string]string{
		"main.jeos.hcl": "jeos {\n  site = \"s\"\n}\nimage \"i\" {\n  source = \"i\"\n}\nguest \"g\" {\n  image = image.i\n  " + body + "\n}\n",
		"i":             "",
	})
	site, files, diags := config.Load(testOptions(dir))
	if site == nil {
		t.Fatal(render(t, dir, files, diags))
	}
	return site
}
