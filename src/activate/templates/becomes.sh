# Says whether a call of conda-stage, with these arguments, becomes another program. csh itself can't look at words that may hold
# anything.
for word do
  case $word in
    --) break ;;
    --exec | --exec=* | --shell | --shell=*)
      echo yes
      exit
      ;;
  esac
done
echo no
