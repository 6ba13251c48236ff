package config

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"jeos/internal/words"
)

// parts calls f for every block of a kind in the block whose name is a good one and no repetition.
func (s *section) parts(kind string, re *regexp.Regexp, rule string, f func(*section)) {
	names := s.checkNames(s.block.parts[kind], re, rule)
	for _, b := range s.block.parts[kind] {
		if names[b.name] == b {
			f(s.section(b, s.scope))
		}
	}
}

// only returns the one block of a kind in the block; nil when there is none.
func (s *section) only(kind string) *section {
	blocks := s.block.parts[kind]
	if len(blocks) == 0 {
		return nil
	}
	for _, b := range blocks[1:] {
		s.add(b.at, "Duplicate "+kind+" block", "The block %s has at most one %s block. Remove one.", s.block, kind)
	}
	return s.section(blocks[0], s.scope)
}

// systemFolders cannot be replaced by a data disk: the guest would not boot, or would lose what it needs.
var systemFolders = []string{
	"/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr",
	"/var/lib/cloud", "/var/lib/dpkg",
}

func checkMount(s string) string {
	if problem := checkPath(s); problem != "" {
		return problem
	}
	for _, folder := range systemFolders {
		if s == "/" || s == "/var" || s == "/var/lib" || s == folder || strings.HasPrefix(s, folder+"/") {
			return words.Quote(s) + ` belongs to the system of the guest. Mount the disk somewhere else, like "/srv".`
		}
	}
	if strings.ContainsAny(s, " \\\"'") {
		return words.Quote(s) + " holds a blank, a quote or a backslash. Choose a plainer path."
	}
	return ""
}

var ownDiskRE = regexp.MustCompile(`^(root|seed(-[0-9]+)?)$`)

func (s *section) loadDisks(g *Guest) {
	mounts := map[string]string{}
	s.parts("disk", nameRE, nameRule, func(s *section) {
		d := Disk{Name: s.block.name, Origin: origin(s.block.at)}
		if ownDiskRE.MatchString(d.Name) {
			s.add(s.block.label, "Invalid name", "A disk cannot be called %s: jeos gives such names to disks of its own. Rename it.", words.Quote(d.Name))
		}
		d.Size = s.size("size", "disk size", 0, MiB, 64*TiB, MiB)
		d.Mount = s.text("mount", "mount point", "", checkMount)
		d.FS = s.text("fs", "file system", "ext4", oneOf("ext4", "xfs"))
		d.Keep = s.flag("keep", false)
		if first, ok := mounts[d.Mount]; ok && d.Mount != "" {
			s.add(s.at("mount"), "Duplicate mount point", "The disk %s is mounted on %s already. Choose another mount point.",
				words.Quote(first), d.Mount)
		}
		mounts[d.Mount] = d.Name
		g.Disks = append(g.Disks, d)
	})
}

// The rule of Debian's adduser, and 32 bytes for utmp.
var (
	userRE = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	hashRE = regexp.MustCompile(`^\$[0-9a-z]{1,4}\$[^\s:\\]{8,}$`) // crypt(5)
)

const userRule = "Names of users and groups have at most 32 characters: small letters, digits, hyphens and underscores," +
	" not starting with a digit or hyphen. Rename it."

func (s *section) loadUsers(g *Guest) {
	ids := map[int]string{}
	s.parts("user", userRE, userRule, func(s *section) {
		u := User{Name: s.block.name, Origin: origin(s.block.at)}
		if u.Name == "default" {
			s.add(s.block.label, "Invalid name", `cloud-init takes "default" for the account that the image brings. Rename it.`)
		}
		for _, e := range s.elements("ssh_keys", "ssh key", true, checkKey) {
			if e.Sensitive {
				s.add(s.block.args["ssh_keys"].NameRange, "Sensitive value in a wrong place", "Public ssh keys are no secrets. %s", sensitiveHelp)
			}
			u.SSHKeys = append(u.SSHKeys, strings.TrimSpace(e.Value))
		}
		u.Sudo = s.flag("sudo", false)
		u.Groups = s.texts("groups", "group", words.Matching(userRE, "name for a group", userRule))
		u.Shell = s.text("shell", "shell", "", checkPath)
		if s.has("uid") {
			uid := s.integer("uid", "uid", 0, 0, 1<<31-1)
			u.UID = &uid
			if first, ok := ids[uid]; ok {
				s.add(s.at("uid"), "Duplicate uid", "%d is the uid of %s already. Choose another one.", uid, words.Quote(first))
			}
			ids[uid] = u.Name
		}
		u.Gecos = s.text("gecos", "gecos", "", checkGecos)
		u.HashedPassword = s.password(g.Name)
		g.Users = append(g.Users, u)
	})
}

func checkGecos(s string) string {
	if strings.ContainsAny(s, ":,=\\\"") {
		return "The full name of a user cannot hold a colon, comma, equals sign, quote or backslash. Remove it."
	}
	return ""
}

// checkKey accepts one line of an authorized_keys file. It never repeats what it was given.
func checkKey(s string) string {
	switch line := strings.TrimSpace(s); {
	case strings.Contains(s, "PRIVATE KEY"):
		return "This is a private key. Write the public one, whose file ends in .pub. If other people can see this file," +
			" replace the key pair."
	case strings.ContainsAny(line, "\r\n"):
		return "This is more than one line. Write every public key as an element of its own."
	default:
		if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line)); err != nil {
			return `This is no public ssh key. Write one like "ssh-ed25519 AAAA… name", as it stands in a file that ends in .pub.`
		}
	}
	return words.CheckLine(strings.TrimSpace(s))
}

// password returns the crypt(3) form of a user's password, or "".
func (s *section) password(guest string) string {
	if s.has("password") && s.has("hashed_password") {
		s.addHidden(s.block.args["password"].NameRange, "Two passwords", "A user has password or hashed_password, not both. Remove one.")
		return ""
	}
	if text, ok := s.secret("hashed_password", "hashed password"); ok {
		if !hashRE.MatchString(text.Value) {
			s.addHidden(s.at("hashed_password"), "Invalid hashed password", "This is no hash of a password. Write what"+
				" mkpasswd --method=sha-512 prints, or use the argument password.")
			return ""
		}
		return text.Value
	}
	text, ok := s.secret("password", "password")
	if !ok {
		return ""
	}
	if n := len(text.Value); n == 0 || n > 256 || words.CheckLine(text.Value) != "" {
		s.addHidden(s.at("password"), "Invalid password", "A password has 1 to 256 bytes and no control characters. Choose another one.")
		return ""
	}
	hashed, err := hashPassword(s.site.Name, guest, s.block.name, text.Value)
	if err != nil {
		s.addHidden(s.at("password"), "Invalid password", "The password cannot be hashed. Choose another one.")
	}
	return hashed
}

const (
	maxSource = 512 * KiB // of one file
	maxFiles  = MiB       // of all files and commands of one first boot: cloud-init takes no more
)

var filePathRE = regexp.MustCompile(``) // checkPath says more

// loadFiles reads the files of a guest or image, whose first boot writes them beside running the commands. The owner says
// whose they are.
func (s *section) loadFiles(owner string, run []Text) (files []File) {
	total := int64(0)
	for _, command := range run {
		total += int64(len(command.Value))
	}
	if total > maxFiles {
		s.add(s.at("run"), "Too many bytes in run", "The commands of %s have more than %s together, which is more than its first"+
			" boot can take. Fetch a script instead, or put it into an image.", owner, FormatSize(maxFiles))
		return nil
	}
	s.parts("file", filePathRE, "", func(s *section) {
		f := File{Path: s.block.name, Origin: origin(s.block.at)}
		if problem := cmp.Or(words.CheckLine(f.Path), checkPath(f.Path)); problem != "" || f.Path == "/" {
			s.add(s.block.label, "Invalid path", "%s", cmp.Or(problem, "This is the root folder. Write the path of a file."))
		}
		f.Content, f.Sensitive = s.fileContent()
		f.Mode = s.mode()
		f.Owner = s.text("owner", "owner", "root:root", words.CheckOwner)
		if total += int64(len(f.Content)); total > maxFiles && total-int64(len(f.Content)) <= maxFiles {
			s.add(s.block.at, "Too many bytes in files", "The files and commands of %s have more than %s together, which is"+
				" more than its first boot can take. Fetch large files instead, or put them into an image.", owner, FormatSize(maxFiles))
		}
		files = append(files, f)
	})
	return files
}

func (s *section) fileContent() (content []byte, sensitive bool) {
	switch {
	case s.has("content") == s.has("source"):
		s.add(s.block.at, "Invalid file", "A file has either content, a string, or source, the path of a file. Write exactly one.")
	case s.has("content"):
		text, _ := s.secret("content", "file content")
		return []byte(text.Value), text.Sensitive
	default:
		source := s.text("source", "file source", "", checkLocal("a file"))
		if source == "" {
			return nil, false
		}
		content, err := readFile(s.path(source), source, maxSource)
		if err != nil {
			s.add(s.at("source"), "Invalid file source", "The file cannot be used: %s. Correct the path; relative ones start at the folder of"+
				" the site.", err)
		}
		return content, false
	}
	return nil, false
}

func (s *section) mode() uint32 {
	mode, err := strconv.ParseUint(s.text("mode", "file mode", "0644", words.CheckMode), 8, 32)
	if err != nil {
		return 0
	}
	return uint32(mode)
}
