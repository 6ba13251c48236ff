package builders

import (
	"fmt"

	"jeos/internal/config"
)

// maxUserData is the greatest size of user-data in bytes. cloud-init keeps several copies of it in memory and on disk.
const maxUserData = 1 << 20

// seed holds the files of a NoCloud seed, from which cloud-init makes the guest
// (https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html).
//
// cloud-init reads all three at every boot. What the instance id stands for happens once: users, files, packages, run.
// The network configuration and the boot script of user-data (guest/boot.sh) act at every boot, so that a guest that
// gets another seed with the same instance id has its network cards, data disks and role after the next boot.
type seed struct{ UserData, MetaData, NetworkConfig []byte }

// renderSeed returns the seed of a guest. The same site always gives the same bytes. It fails where the guest's files
// are too large to go into a seed.
func renderSeed(site *config.Site, g *config.Guest, instanceID string) (seed, error) {
	return seedWith(site, g, instanceID, bootScript(g))
}

// seedWith is renderSeed with a boot script of the caller's.
func seedWith(site *config.Site, g *config.Guest, instanceID, script string) (seed, error) {
	s := seed{
		UserData: userData(g, script),
		MetaData: encodeYAML(map[string]any{
			"instance-id":    instanceID,
			"local-hostname": g.Hostname,
		}),
		NetworkConfig: networkConfig(site, g),
	}
	if len(s.UserData) > maxUserData {
		return seed{}, fmt.Errorf("the seed of guest %q is %d KiB%s, more than the %d KiB that cloud-init can take: "+
			"make its files smaller, or put them into its image or on a data disk",
			g.Name, len(s.UserData)>>10, roleShare(g.Role), maxUserData>>10)
	}
	return s, nil
}

// roleShare words how much of a seed is a role.
func roleShare(r *config.Role) string {
	if !acts(r) {
		return ""
	}
	return fmt.Sprintf(", %d KiB of it for its role %q", len(roleScript(r))>>10, r.Name)
}
