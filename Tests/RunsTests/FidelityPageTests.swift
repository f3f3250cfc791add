import Foundation
import RunSupport
import Runs
import Testing

/// The checks that `docs/fidelity.md` names for each of its rows.
@Suite struct FidelityPageTests {
    private struct Row: CustomTestStringConvertible {
        let statement, verdict: String
        let checks: [String]
        var testDescription: String { statement }
    }

    private static let root = ConfigurationFilesTests.root

    /// The rows of the tables, whose cells are separated by bars that are not escaped.
    private static let rows: [Row] = {
        let page = (try? String(contentsOfFile: root + "/docs/fidelity.md", encoding: .utf8)) ?? ""
        let isRow = { (line: Substring) in line.hasPrefix("| ") && !line.hasSuffix("| verdict | checked by |") }
        return page.split(separator: "\n").filter(isRow).map { line in
            let cells = line.replacing("\\|", with: "\u{0}").split(separator: "|").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            let checks = cells[cells.count - 1].matches(of: /`([^`]+)`/).map { String($0.1) }
            return Row(statement: cells[0], verdict: cells[2], checks: checks)
        }
    }()

    /// All text of the tests, by the name of the file.
    private static func files(_ folder: String, _ ending: String) -> [String: String] {
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)")) ?? []
        return Dictionary(
            paths.filter { $0.hasSuffix(ending) }.map { path in
                (
                    path.split(separator: "/").last.map(String.init)!,
                    (try? String(contentsOfFile: "\(root)/\(folder)/\(path)", encoding: .utf8)) ?? ""
                )
            }
        ) { $0 + $1 }
    }

    private static let swift = files("Tests", ".swift")
    private static let python = files("python/tests", ".py")

    @Test func everyRowHasAVerdictAndChecks() {
        #expect(Self.rows.count > 60)
        for row in Self.rows {
            #expect(["same", "option", "differs because"].contains { row.verdict.hasPrefix($0) }, "\(row.statement)")
            #expect(!row.checks.isEmpty, "\(row.statement)")
        }
    }

    @Test func valuesAreThoseOfTheConfigurations() throws {
        var configurations: [String: [String: String]] = [:]
        var count = 0
        for check in Self.rows.flatMap(\.checks) {
            guard let match = check.wholeMatch(of: /(\S+\.yaml) ([a-z_.0-9]+)=(.+)/) else { continue }
            let file = "configs/\(match.1)"
            if configurations[file] == nil {
                let settings = try ConfigurationFilesTests.options(file).configuration.settings
                configurations[file] = Dictionary(settings.map { ($0.key, $0.value) }) { $1 }
            }
            let found = try #require(configurations[file]![String(match.2)], "\(check)")
            let isEqual = found == match.3 || (Double(found).map { $0 == Double(match.3) } ?? false)
            #expect(isEqual, "\(check), but it is \(found)")
            count += 1
        }
        #expect(count > 80)
    }

    @Test func testsExist() {
        for check in Self.rows.flatMap(\.checks) where !check.contains(".yaml ") {
            if let match = check.wholeMatch(of: /(\w+\.py)::(\w+)/) {
                #expect(Self.python[String(match.1)]?.contains("def \(match.2)(") == true, "\(check)")
            } else if let match = check.wholeMatch(of: /(\w+)\.(\w+)/) {
                let suite = Self.swift.values.first {
                    $0.contains("struct \(match.1) ") || $0.contains("struct \(match.1)\n")
                }
                #expect(suite?.contains("func \(match.2)(") == true, "\(check)")
            } else {
                Issue.record("'\(check)' is no value of a configuration and no test")
            }
        }
    }
}
