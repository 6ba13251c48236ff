package images

// PackageChange is a package that differs between two images. A version is empty where the package is not there.
type PackageChange struct{ Name, From, To string }

// ComparePackages returns what differs between two lists of packages, sorted by name. Both must be as ParseManifest
// returns them.
func ComparePackages(from, to []Package) []PackageChange {
	var changes []PackageChange
	for len(from) > 0 || len(to) > 0 {
		switch {
		case len(to) == 0 || len(from) > 0 && from[0].Name < to[0].Name:
			changes = append(changes, PackageChange{Name: from[0].Name, From: from[0].Version})
			from = from[1:]
		case len(from) == 0 || to[0].Name < from[0].Name:
			changes = append(changes, PackageChange{Name: to[0].Name, To: to[0].Version})
			to = to[1:]
		default:
			if from[0].Version != to[0].Version {
				changes = append(changes, PackageChange{Name: from[0].Name, From: from[0].Version, To: to[0].Version})
			}
			from, to = from[1:], to[1:]
		}
	}
	return changes
}
