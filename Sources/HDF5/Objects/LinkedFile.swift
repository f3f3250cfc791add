import Foundation

/// Finds files that another file refers to, in the places where the library looks for them.
enum LinkedFile {
    /// The paths where the library looks for a file, in its order.
    ///
    /// - Parameters:
    ///   - variable: the environment variable with folders to search first, separated by colons.
    ///   - mainFile: the path of the file with the reference.
    ///   - isBesideMainFile: true if names are relative to the folder of the main file before the working directory.
    static func candidates(
        _ name: String, variable: String, mainFile: String, isBesideMainFile: Bool
    ) -> [String] {
        let folder = (mainFile as NSString).deletingLastPathComponent
        func inFolder(_ folder: String, _ name: String) -> String {
            folder.isEmpty ? name : (folder as NSString).appendingPathComponent(name)
        }
        var candidates: [String] = []
        var relative = name
        if name.hasPrefix("/") {
            candidates.append(name)
            guard isBesideMainFile else { return candidates }
            relative = (name as NSString).lastPathComponent
        }
        for prefix in (ProcessInfo.processInfo.environment[variable] ?? "").split(separator: ":") {
            candidates.append(
                inFolder(String(prefix).replacing("${ORIGIN}", with: folder.isEmpty ? "." : folder), relative))
        }
        if isBesideMainFile { candidates.append(inFolder(folder, relative)) }
        candidates.append(relative)
        if isBesideMainFile {
            let actual = URL(fileURLWithPath: mainFile).resolvingSymlinksInPath().deletingLastPathComponent().path
            candidates.append(inFolder(actual, relative))
        }
        return candidates
    }

    /// The size of a file [bytes]; nil if it does not exist.
    static func size(_ path: String) -> Int? {
        (try? FileManager.default.attributesOfItem(atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path))?[
            .size] as? Int
    }
}
