-- Printed by: conda-stage --modulefile=lmod
local version = @VERSION@

help(@HELP@)
whatis("Name: conda-stage")
whatis("Version: " .. version)
whatis("Category: conda, software environment")
whatis("Description: Stage the active conda environment to local disk, and work from there")

-- For programs that call conda-stage. Sessions call the function.
prepend_path("PATH", @FOLDER@)

-- For each shell: what 'conda-stage --source' prints, and code that undoes it.
local code = {
@CODE@
}
local kin = { ksh = "sh", csh = "tcsh" }
local shell = myShellName()
if (not code[shell]) then
   shell = kin[shell]
end

-- Turns code into one word: older Lmods let the shell split it into words and expand file names.
local function one_word(text)
   local function escaped(prefix)
      return (text:gsub("[^%w_/.\128-\255]", function(char)
         return prefix .. string.format("%03o", string.byte(char))
      end))
   end
   if (shell == "bash" or shell == "zsh") then
      return "\\builtin eval $'" .. escaped("\\") .. "'"
   elseif (shell == "sh") then
      return "\\eval \"$(\\command printf %b '" .. escaped("\\0") .. "')\""
   end
   return text
end

if (code[shell] and mode() ~= "show") then
   execute{cmd = one_word(code[shell].load), modeA = {"load"}}
   execute{cmd = one_word(code[shell].unload), modeA = {"unload"}}
end
