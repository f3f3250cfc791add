import Foundation
import PackagePlugin

/// Writes the git commit of the package into the module `Revision`, during the build.
///
/// The command runs again when a commit is made or checked out or a source file changes, and rewrites its output only
/// if the text differs. Without git, the commit is the one that `git archive` wrote into `.git_archival.txt`, or nil.
@main
struct WriteRevision: BuildToolPlugin {
    /// Arguments: the folder of the package, the sources (in one word) and the file to write.
    private static let script = #"""
        cd "$1" || exit
        commit='' modified=false
        if [ -e .git ] && found=$(git rev-parse HEAD 2>/dev/null); then
            commit=$found
            [ -z "$(GIT_OPTIONAL_LOCKS=0 git status --porcelain -- $2)" ] || modified=true
        elif [ -e .git_archival.txt ]; then
            commit=$(sed -n 's/^commit: \([0-9a-f]\{40,\}\)$/\1/p' .git_archival.txt)
        fi
        if [ -n "$commit" ]; then value="\"$commit\""; else value=nil; fi
        text="extension BuildRevision {
            package static let commit: String? = $value
            package static let isModified = $modified
        }"
        [ "$text" = "$(cat "$3" 2>/dev/null)" ] || printf '%s\n' "$text" >"$3"
        """#
    private static let sources = ["Package.swift", "Plugins", "Sources"]

    func createBuildCommands(context: PluginContext, target: any Target) -> [Command] {
        let root = context.package.directoryURL
        let output = context.pluginWorkDirectoryURL.appending(path: "BuildRevision+Git.swift")
        return [
            .buildCommand(
                displayName: "Writing the git commit", executable: URL(filePath: "/bin/sh"),
                arguments: [
                    "-c", Self.script, "sh", root.path, Self.sources.joined(separator: " "), output.path,
                ],
                inputFiles: Self.gitFiles(root) + Self.sources.flatMap { Self.files(root.appending(path: $0)) },
                outputFiles: [output])
        ]
    }

    /// The files that git changes with the current commit.
    private static func gitFiles(_ root: URL) -> [URL] {
        var folder = root.appending(path: ".git")
        // In a linked worktree, `.git` is a file that names the folder.
        if let text = try? String(contentsOf: folder, encoding: .utf8), text.hasPrefix("gitdir: ") {
            let path = text.dropFirst("gitdir: ".count).trimmingCharacters(in: .whitespacesAndNewlines)
            folder = URL(filePath: path, relativeTo: root)
        }
        let files =
            [root.appending(path: ".git_archival.txt")]
            + ["HEAD", "logs/HEAD", "index"].map { folder.appending(path: $0) }
        return files.filter { FileManager.default.fileExists(atPath: $0.path) }
    }

    /// A file, or the files of a folder and of its subfolders.
    private static func files(_ place: URL) -> [URL] {
        guard let contents = FileManager.default.enumerator(at: place, includingPropertiesForKeys: nil) else {
            return [place]
        }
        let found = contents.compactMap { $0 as? URL }.filter { !$0.hasDirectoryPath }
        return found.isEmpty ? [place] : found
    }
}
