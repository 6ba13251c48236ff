package cli

import "fmt"

// sizeText words a number of bytes for people, rounded: "1.5 GiB".
func sizeText(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	size := float64(bytes)
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		if size /= 1024; size < 1024 {
			return fmt.Sprintf("%.4g %s", size, unit)
		}
	}
	return fmt.Sprintf("%.4g TiB", size/1024)
}
